# Only records of the current dispatch have any effect.
s/if (!task || task->dispatch != record->dispatch || /if (!task || /
