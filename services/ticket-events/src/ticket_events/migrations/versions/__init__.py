"""Migration files, NNNN_pre_words.py or NNNN_post_words.py."""
