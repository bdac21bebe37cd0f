"""What several methods offer as options."""
