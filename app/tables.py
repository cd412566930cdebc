"""What every model is made from: Tortoise's, which does not look into their source."""

from tortoise import models

# it takes what stands in "#:" above a field for its comment in the database, of which there are
# none, and parses each model's whole module for it: a fifth of what a process takes to start
models._get_comments = lambda cls: {}  # noqa: ARG005, SLF001
Model = models.Model
