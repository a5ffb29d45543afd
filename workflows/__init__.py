"""Who runs what, in order: the command, the recipes, export, report, the trainer and the demo."""
