# A node starts nothing of a driver of which it has heard nothing for 60 s.
s/agent->now_ms - session->talk.fresh_ms <= FRESH_MS/agent->now_ms >= session->talk.fresh_ms/
