"""The example provider, whose LUNs are not made until a file is there: held_create.py SDK FOLDER FILE."""

import copy
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

from image_provider import Images  # noqa: E402
from vds_provider import serve  # noqa: E402


class Held(Images):
    def prepare_create_lun(self, op):
        # CreateLun asks for a target, as arrays have them; the example keeps none and refuses.
        asked = copy.copy(op)
        asked.request = {**op.request, "target": {"choice": "none"}}
        return super().prepare_create_lun(asked)

    def run_create_lun(self, op):
        while not os.path.exists(sys.argv[3]):
            time.sleep(0.01)
        return super().run_create_lun(op)


serve(Held(sys.argv[2], 1 << 30))
