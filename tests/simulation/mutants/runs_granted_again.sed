# A granted at-most-once task that is lost is not run again.
s/else if (task->marks & MARK_GRANTED)/else if (session->closed)/
