"""What stands in the results table. A method is two functions; its file says how it learns and how it predicts.

All of them learn from cached features alone. VP, VPT and MaPLe change what the image encoder computes, at every step
anew, so their features cannot be cached, and they are not here.
"""
