//! Airports and airlines of the world: names, codes and places.

/// An airport. Its texts need no escapes in JSON.
pub(super) struct Airport {
    pub(super) name: &'static str,
    pub(super) iata: &'static str,
    pub(super) icao: &'static str,
    pub(super) city: &'static str,
    /// The state or region, where the sources give one.
    pub(super) state: Option<&'static str>,
    pub(super) country: &'static str,
}

/// The airports of the table.
pub(super) fn airports() -> impl Iterator<Item = Airport> {
    AIRPORTS.trim().lines().map(|row| {
        let mut fields = row.split('|');
        let mut field = || fields.next().expect("a row of the table has six fields");
        let (name, iata, icao, city, state) = (field(), field(), field(), field(), field());
        Airport { name, iata, icao, city, state: Some(state).filter(|state| !state.is_empty()), country: field() }
    })
}

/// The airlines of the table.
pub(super) fn airlines() -> impl Iterator<Item = &'static str> {
    AIRLINES.trim().lines()
}

/// Name, IATA code, ICAO code, city, state or nothing, country.
const AIRPORTS: &str = "
Hartsfield-Jackson Atlanta International Airport|ATL|KATL|Atlanta|Georgia|United States
Los Angeles International Airport|LAX|KLAX|Los Angeles|California|United States
O'Hare International Airport|ORD|KORD|Chicago|Illinois|United States
Dallas/Fort Worth International Airport|DFW|KDFW|Dallas|Texas|United States
Denver International Airport|DEN|KDEN|Denver|Colorado|United States
John F. Kennedy International Airport|JFK|KJFK|New York|New York|United States
San Francisco International Airport|SFO|KSFO|San Francisco|California|United States
Seattle-Tacoma International Airport|SEA|KSEA|Seattle|Washington|United States
Harry Reid International Airport|LAS|KLAS|Las Vegas|Nevada|United States
Orlando International Airport|MCO|KMCO|Orlando|Florida|United States
Miami International Airport|MIA|KMIA|Miami|Florida|United States
Charlotte Douglas International Airport|CLT|KCLT|Charlotte|North Carolina|United States
Phoenix Sky Harbor International Airport|PHX|KPHX|Phoenix|Arizona|United States
Newark Liberty International Airport|EWR|KEWR|Newark|New Jersey|United States
George Bush Intercontinental Airport|IAH|KIAH|Houston|Texas|United States
Logan International Airport|BOS|KBOS|Boston|Massachusetts|United States
Minneapolis-Saint Paul International Airport|MSP|KMSP|Minneapolis|Minnesota|United States
Detroit Metropolitan Wayne County Airport|DTW|KDTW|Detroit|Michigan|United States
Philadelphia International Airport|PHL|KPHL|Philadelphia|Pennsylvania|United States
Salt Lake City International Airport|SLC|KSLC|Salt Lake City|Utah|United States
San Diego International Airport|SAN|KSAN|San Diego|California|United States
Portland International Airport|PDX|KPDX|Portland|Oregon|United States
Austin-Bergstrom International Airport|AUS|KAUS|Austin|Texas|United States
Nashville International Airport|BNA|KBNA|Nashville|Tennessee|United States
Daniel K. Inouye International Airport|HNL|PHNL|Honolulu|Hawaii|United States
Ted Stevens Anchorage International Airport|ANC|PANC|Anchorage|Alaska|United States
Toronto Pearson International Airport|YYZ|CYYZ|Toronto|Ontario|Canada
Vancouver International Airport|YVR|CYVR|Vancouver|British Columbia|Canada
Montréal-Trudeau International Airport|YUL|CYUL|Montréal|Québec|Canada
Cancún International Airport|CUN|MMUN|Cancún|Quintana Roo|Mexico
Benito Juárez International Airport|MEX|MMMX|Mexico City|Ciudad de México|Mexico
São Paulo/Guarulhos International Airport|GRU|SBGR|São Paulo|São Paulo|Brazil
Rio de Janeiro/Galeão International Airport|GIG|SBGL|Rio de Janeiro|Rio de Janeiro|Brazil
Brasília International Airport|BSB|SBBR|Brasília|Distrito Federal|Brazil
Ministro Pistarini International Airport|EZE|SAEZ|Buenos Aires|Buenos Aires|Argentina
El Dorado International Airport|BOG|SKBO|Bogotá||Colombia
Arturo Merino Benítez International Airport|SCL|SCEL|Santiago||Chile
Jorge Chávez International Airport|LIM|SPJC|Lima||Peru
Heathrow Airport|LHR|EGLL|London|England|United Kingdom
Gatwick Airport|LGW|EGKK|London|England|United Kingdom
Manchester Airport|MAN|EGCC|Manchester|England|United Kingdom
Edinburgh Airport|EDI|EGPH|Edinburgh|Scotland|United Kingdom
Dublin Airport|DUB|EIDW|Dublin||Ireland
Charles de Gaulle Airport|CDG|LFPG|Paris|Île-de-France|France
Nice Côte d'Azur Airport|NCE|LFMN|Nice|Provence-Alpes-Côte d'Azur|France
Amsterdam Airport Schiphol|AMS|EHAM|Amsterdam||Netherlands
Brussels Airport|BRU|EBBR|Brussels||Belgium
Frankfurt Airport|FRA|EDDF|Frankfurt am Main|Hesse|Germany
Munich Airport|MUC|EDDM|Munich|Bavaria|Germany
Berlin Brandenburg Airport|BER|EDDB|Berlin|Brandenburg|Germany
Düsseldorf Airport|DUS|EDDL|Düsseldorf|North Rhine-Westphalia|Germany
Cologne Bonn Airport|CGN|EDDK|Köln|North Rhine-Westphalia|Germany
Zürich Airport|ZRH|LSZH|Zürich|Zürich|Switzerland
Geneva Airport|GVA|LSGG|Genève|Genève|Switzerland
Vienna International Airport|VIE|LOWW|Vienna|Lower Austria|Austria
Adolfo Suárez Madrid-Barajas Airport|MAD|LEMD|Madrid|Comunidad de Madrid|Spain
Josep Tarradellas Barcelona-El Prat Airport|BCN|LEBL|Barcelona|Catalonia|Spain
Málaga-Costa del Sol Airport|AGP|LEMG|Málaga|Andalusia|Spain
Humberto Delgado Airport|LIS|LPPT|Lisbon||Portugal
Leonardo da Vinci-Fiumicino Airport|FCO|LIRF|Rome|Lazio|Italy
Milan Malpensa Airport|MXP|LIMC|Milan|Lombardy|Italy
Athens International Airport|ATH|LGAV|Athens||Greece
Copenhagen Airport|CPH|EKCH|Copenhagen||Denmark
Stockholm Arlanda Airport|ARN|ESSA|Stockholm||Sweden
Göteborg Landvetter Airport|GOT|ESGG|Göteborg||Sweden
Oslo Airport, Gardermoen|OSL|ENGM|Oslo||Norway
Tromsø Airport|TOS|ENTC|Tromsø||Norway
Helsinki-Vantaa Airport|HEL|EFHK|Helsinki||Finland
Keflavík International Airport|KEF|BIKF|Reykjavík||Iceland
Warsaw Chopin Airport|WAW|EPWA|Warsaw||Poland
Kraków John Paul II International Airport|KRK|EPKK|Kraków||Poland
Václav Havel Airport Prague|PRG|LKPR|Prague||Czechia
Budapest Ferenc Liszt International Airport|BUD|LHBP|Budapest||Hungary
Istanbul Airport|IST|LTFM|İstanbul||Türkiye
Dubai International Airport|DXB|OMDB|Dubai|Dubai|United Arab Emirates
Hamad International Airport|DOH|OTHH|Doha||Qatar
Indira Gandhi International Airport|DEL|VIDP|New Delhi|Delhi|India
Chhatrapati Shivaji Maharaj International Airport|BOM|VABB|Mumbai|Maharashtra|India
Singapore Changi Airport|SIN|WSSS|Singapore||Singapore
Hong Kong International Airport|HKG|VHHH|Hong Kong||Hong Kong
Tokyo Haneda Airport|HND|RJTT|Tokyo||Japan
Narita International Airport|NRT|RJAA|Tokyo||Japan
Kansai International Airport|KIX|RJBB|Osaka||Japan
Incheon International Airport|ICN|RKSI|Seoul||South Korea
Beijing Capital International Airport|PEK|ZBAA|Beijing||China
Shanghai Pudong International Airport|PVG|ZSPD|Shanghai||China
Suvarnabhumi Airport|BKK|VTBS|Bangkok||Thailand
Kuala Lumpur International Airport|KUL|WMKK|Kuala Lumpur|Selangor|Malaysia
Sydney Kingsford Smith Airport|SYD|YSSY|Sydney|New South Wales|Australia
Melbourne Airport|MEL|YMML|Melbourne|Victoria|Australia
Auckland Airport|AKL|NZAA|Auckland||New Zealand
O. R. Tambo International Airport|JNB|FAOR|Johannesburg|Gauteng|South Africa
Cape Town International Airport|CPT|FACT|Cape Town|Western Cape|South Africa
Jomo Kenyatta International Airport|NBO|HKJK|Nairobi||Kenya
Cairo International Airport|CAI|HECA|Cairo||Egypt
Addis Ababa Bole International Airport|ADD|HAAB|Addis Ababa||Ethiopia
";

const AIRLINES: &str = "
American Airlines
Delta Air Lines
United Airlines
Southwest Airlines
Alaska Airlines
JetBlue
Hawaiian Airlines
Air Canada
WestJet
Aeroméxico
LATAM Airlines
Avianca
Azul Linhas Aéreas
GOL Linhas Aéreas
British Airways
Virgin Atlantic
easyJet
Ryanair
Aer Lingus
Air France
KLM Royal Dutch Airlines
Brussels Airlines
Lufthansa
Eurowings
Swiss International Air Lines
Austrian Airlines
Iberia
Vueling
TAP Air Portugal
ITA Airways
Aegean Airlines
SAS Scandinavian Airlines
Norwegian
Finnair
Icelandair
LOT Polish Airlines
Turkish Airlines
Emirates
Qatar Airways
Etihad Airways
Air India
IndiGo
Singapore Airlines
Cathay Pacific
All Nippon Airways
Japan Airlines
Korean Air
Air China
China Eastern Airlines
Thai Airways
Malaysia Airlines
Qantas
Air New Zealand
South African Airways
Kenya Airways
EgyptAir
Ethiopian Airlines
";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_has_six_fields_and_every_code_comes_once() {
        assert!(AIRPORTS.trim().lines().all(|row| row.split('|').count() == 6));
        let mut seen = HashSet::new();
        for airport in airports() {
            assert!(airport.iata.len() == 3 && airport.icao.len() == 4, "{}", airport.name);
            assert!(seen.insert(airport.iata) && seen.insert(airport.icao), "{}", airport.name);
        }
        assert!(seen.len() >= 120);
    }

    #[test]
    fn some_airports_have_no_state_and_some_names_are_not_ascii() {
        assert!(airports().any(|airport| airport.state.is_none()));
        assert!(airports().any(|airport| !airport.city.is_ascii()));
        assert!(airlines().count() > 50);
    }
}
