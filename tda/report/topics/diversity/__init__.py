"""Are images more diverse under one guide than under another, where both follow the prompt equally well?"""
