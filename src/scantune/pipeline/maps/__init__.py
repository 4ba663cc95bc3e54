"""Saliency maps: requests, pictures, and checks of the maps."""
