"""Which image belongs to which: by file name, in the layouts of public sets, and the samples."""
