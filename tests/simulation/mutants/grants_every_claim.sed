# The driver grants the first claim and refuses every other.
/it waits for an answer/,/TP__RECORD_REFUSE/s/TP__RECORD_REFUSE/TP__RECORD_GRANT/
