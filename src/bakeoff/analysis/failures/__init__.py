"""Where and why recipes fail: difficult images, confused classes, doubtful labels, evidence."""
