# A gap breaks the link.
s/if (frame->number != link->received + 1) {/if (frame->number < link->received + 1) {/
