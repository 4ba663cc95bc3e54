"""One page a reader believes: the report of a run, its model card and the checklists of two guidelines."""
