"""Fine-tune deep models on clinical images, and show how far each one can be trusted."""
