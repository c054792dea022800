"""Changes live stores for every writing command: plans steps, applies them, reads back, resumes and undoes."""
