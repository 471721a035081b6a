# An at-most-once task is claimed before it starts.
s/const bool claims = leaf->flags & TP__LEAF_AT_MOST_ONCE;/const bool claims = false;/
