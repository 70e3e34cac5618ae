"""One context, several renderers. A renderer sees only the context."""
