"""Does the gap cost retrieval?"""
