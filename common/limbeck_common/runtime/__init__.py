"""Running methods: learners and data made from their names, a participant's part of a round, worker processes."""
