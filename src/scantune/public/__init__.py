"""Public data sets by name: addresses, licences, layouts, and the blocks of params.yaml that read them."""
