"""The commands of ``scantune``, one module per subject. Each imports what it needs when it is called."""
