"""What commands draw: pictures of graphs as SVG written here, charts of measurements with matplotlib, an extra."""
