from sentence_transformers import SentenceTransformer  # noqa: F401
