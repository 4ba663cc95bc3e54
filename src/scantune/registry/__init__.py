"""Whole models in MLflow: logged, registered, promoted, opened again."""
