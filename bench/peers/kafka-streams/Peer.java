// Peer.java - the benchmark's jobs in Kafka Streams, as its own documentation does it: a topology of one step, default settings
// but what a run says. Arguments: BROKERS INPUT OUTPUT JOB THREADS GUARANTEE STATE_FOLDER. Runs until SIGTERM.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import net.jpountz.lz4.LZ4FrameInputStream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;

public final class Peer {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, args[2]);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[4]);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[5]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, args[6]);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");

        StreamsBuilder builder = new StreamsBuilder();
        KStream<byte[], byte[]> records = builder.stream(args[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()));
        KStream<byte[], byte[]> results = switch (args[3]) {
            case "identity" -> records;
            case "flatten" -> records.mapValues(value -> flatten(value));
            case "lz4-flatten" -> records.mapValues(value -> flatten(decompress(value)));
            default -> throw new IllegalArgumentException("no job " + args[3]);
        };
        results.to(args[2], Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));

        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        CountDownLatch failed = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                failed.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boolean closed = streams.close(Duration.ofSeconds(60));
            Runtime.getRuntime().halt(closed && failed.getCount() > 0 ? 0 : 1);
        }));
        streams.start();
        failed.await();
        System.exit(1);
    }

    private static byte[] decompress(byte[] frame) {
        try (LZ4FrameInputStream in = new LZ4FrameInputStream(new ByteArrayInputStream(frame))) {
            return in.readAllBytes();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static byte[] flatten(byte[] value) {
        try {
            JsonNode flight = MAPPER.readTree(value);
            ObjectNode flat = MAPPER.createObjectNode();
            flat.set("_id", flight.get("flight_id"));
            flat.set("airline", flight.get("airline"));
            flat.set("stops", flight.get("stops"));
            flat.set("price", flight.get("price"));
            for (String end : new String[] {"origin", "destination"}) {
                JsonNode place = flight.get(end);
                JsonNode location = either(place, "location", "Location");
                flat.set(end + "_airport", either(place, "airport", "Airport"));
                flat.set(end + "_iata", either(place, "iata", "Iata"));
                flat.set(end + "_icao", either(place, "icao", "Icao"));
                flat.set(end + "_loc_city", either(location, "city", "City"));
                flat.set(end + "_loc_state", either(location, "state", "State"));
                flat.set(end + "_loc_country", either(location, "country", "Country"));
            }
            return MAPPER.writeValueAsBytes(flat);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** The sources do not agree on how the nested names are spelled. What is missing becomes null. */
    private static JsonNode either(JsonNode node, String name, String other) {
        JsonNode found = node.get(name);
        return found != null ? found : node.get(other);
    }
}
