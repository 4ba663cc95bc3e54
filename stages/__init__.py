"""The pipeline's stages: thin scripts that read params.yaml, call scantune, log to MLflow and write outputs."""
