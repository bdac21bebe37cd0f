"""What happens on one participant's own machine: data, learners, training."""
