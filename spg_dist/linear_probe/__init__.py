"""The linear probe: logistic regression on the image features, without the text side."""
