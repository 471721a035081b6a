# What a node takes of a session is known before anything is sent there.
s/if (accept->room \&\& !is_refusal)/if (false)/
