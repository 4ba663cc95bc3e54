"""The commands of ``scantune``, one module a subject. Each imports what it needs when it is called."""
