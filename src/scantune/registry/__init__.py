"""Models in MLflow: logged, registered, promoted and opened."""
