"""The one write engine: plans steps, applies them, reads back, resumes and undoes."""
