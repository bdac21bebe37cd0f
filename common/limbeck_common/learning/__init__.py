"""What happens on one party's own machine: data, learners, training."""
