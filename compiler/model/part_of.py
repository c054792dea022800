"""Names the label by which this chart's objects are known as its own, and its value where an environment names none."""

LABEL = "app.kubernetes.io/part-of"
PART_OF = "ai-platform-engineering"
