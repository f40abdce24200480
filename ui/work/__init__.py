"""Work that outlives reruns: threads that own runs, and the turns that they take."""
