"""Reports what commands plan and did, for people and for programs."""
