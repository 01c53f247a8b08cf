"""What a data set is: its card, its licence, whether it is here. What lies in its files is read in rows/ and images/."""
