"""One soft prompt learned from features: stage 1's prompt labels, and the CoOp baseline."""
