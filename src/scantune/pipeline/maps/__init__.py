"""Saliency maps: requests, pictures, and tests of the maps themselves."""
