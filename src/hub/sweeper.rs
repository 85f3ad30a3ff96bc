//! What happens by itself: deadlines, graces, resume windows, pruning.
