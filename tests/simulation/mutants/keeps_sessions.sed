# A driver that is silent for 30 s is gone, and its session ends.
s/if (end_ms <= coordinator->now_ms)/if (end_ms <= coordinator->now_ms - 600000)/
