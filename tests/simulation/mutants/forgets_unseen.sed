# What a node does not hold after a break is lost, and sent again.
s/if (task->generation >= generation ||/if (generation > 0 ||/
