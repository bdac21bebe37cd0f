"""What a run recorded: one line of metrics.jsonl for each thing that happened."""
