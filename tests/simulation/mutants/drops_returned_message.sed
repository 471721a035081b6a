# A message that a lost attempt has taken goes back to its channel.
s/if (session->actions.dropped(session->actions.context, &name))/if (!session)/
