"""DICOMweb (PS3.18): a study's series from a PACS, and results back to it."""
