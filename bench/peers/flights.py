"""The benchmark's jobs in Python: what is done to each value. Needs a JSON library's `loads` and `dumps`."""

import lz4.frame


def either(table, name):
    """The sources do not agree on how the nested names are spelled. What is missing becomes null."""
    return table[name] if name in table else table.get(name.capitalize())


def flatten(flight):
    flat = {
        "_id": flight["flight_id"],
        "airline": flight["airline"],
        "stops": flight["stops"],
        "price": flight["price"],
    }
    for end in ("origin", "destination"):
        place = flight[end]
        location = either(place, "location")
        flat[end + "_airport"] = either(place, "airport")
        flat[end + "_iata"] = either(place, "iata")
        flat[end + "_icao"] = either(place, "icao")
        flat[end + "_loc_city"] = either(location, "city")
        flat[end + "_loc_state"] = either(location, "state")
        flat[end + "_loc_country"] = either(location, "country")
    return flat


def step(job, loads, dumps):
    """Gives the function from an input's value to its output's."""
    return {
        "identity": lambda value: value,
        "flatten": lambda value: dumps(flatten(loads(value))),
        "lz4-flatten": lambda value: dumps(flatten(loads(lz4.frame.decompress(value)))),
    }[job]
