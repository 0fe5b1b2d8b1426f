"""Text and voices to sound with times: natural voices, voices mapped to another, espeak-ng, and what joins them."""
