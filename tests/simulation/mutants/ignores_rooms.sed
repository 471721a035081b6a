# A node that is full of a session gets none of its tasks.
s/if (use->limited != use->node->credits)/if (true)/
