"""TIPS and TIPSv2: contrast with two class tokens, self-distillation over local crops, and masked prediction of tokens.

`views` cuts crops and draws masks, `heads` are what the student learns and the teacher averages, `objective` puts them together.
"""
