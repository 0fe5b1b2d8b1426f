"""Text and voices to sound: espeak-ng as a program of its own, and mapping to a measured voice."""
