"""A worker that never says anything."""

import time

time.sleep(600)
