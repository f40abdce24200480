"""What several pages use: frame, sidebar, session, links, knobs, lanes, words."""
