"""What FLUX and Stable Diffusion 3.5 have in common: components loaded apart, a transformer that is on the card only
while it computes, a VAE in tiles, steps that report and can be canceled. Their engines say only what differs.
"""
